"""Texts to tokenize: sentences in many scripts, and random strings of what tokenizers stumble over."""

from __future__ import annotations

import random

SCRIPTS = {
    "Latin": "All human beings are born free and equal; they'll act towards one another. Là où naît l'été, größer!",
    "Cyrillic": "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.",
    "Arabic": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق ٣٤٥.",
    "Hebrew": "כל בני האדם נולדו בני חורין ושווים בערכם וּבִזְכֻיּוֹתֵיהֶם.",
    "Devanagari": "सभी मनुष्यों को गौरव और अधिकारों के विषय में जन्मजात स्वतन्त्रता प्राप्त है १२३।",
    "Bengali": "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।",
    "Tamil": "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "Telugu": "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులు.",
    "Kannada": "ಎಲ್ಲಾ ಮಾನವರೂ ಸ್ವತಂತ್ರರಾಗಿಯೇ ಜನಿಸಿದ್ದಾರೆ.",
    "Malayalam": "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും സ്വാതന്ത്ര്യത്തോടും ജനിച്ചിട്ടുള്ളവരാണ്.",
    "Sinhala": "සියලු මනුෂ්‍යයෝ නිදහස්ව උපත ලබා ඇත.",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ๑๒๓",
    "Lao": "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ",
    "Burmese": "လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် မွေးဖွားလာသူများ ဖြစ်သည်။",
    "Khmer": "មនុស្សទាំងអស់កើតមកមានសេរីភាព និងសមភាព។",
    "Han": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。",
    "Kana": "すべての人間は、生れながらにして自由であり、カタカナも。",
    "Hangul": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "Georgian": "ყველა ადამიანი იბადება თავისუფალი და თანასწორი.",
    "Armenian": "Բոլոր մարդիկ ծնվում են ազատ ու հավասար։",
    "Ethiopic": "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።",
    "Tibetan": "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས་ཆེ་མཐོངས་༡༢།",
    "Emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇨🇭 1️⃣ ☕️ and 😀😀😀",
    "Code": "def f(x):\n\treturn {'a': 0x1F, \"b\": [1, 22, 333, 4444]}  # it's\r\n\r\n    pass\n\n\n",
}
# Assigned long ago: libraries of different versions of Unicode agree on them.
RANGES = [
    (0x20, 0x7E), (0xA0, 0x17F), (0x300, 0x345), (0x391, 0x3A1), (0x3B1, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA),
    (0x5B0, 0x5B9), (0x621, 0x63A), (0x64B, 0x652), (0x660, 0x669), (0x905, 0x939), (0x93E, 0x94D), (0x966, 0x96F),
    (0xE01, 0xE3A), (0x10D0, 0x10F0), (0x1100, 0x1112), (0x1161, 0x1175), (0x1E00, 0x1E99), (0x2000, 0x200A),
    (0x2010, 0x2027), (0x2070, 0x2071), (0x2074, 0x208E), (0x20A0, 0x20B5), (0x2100, 0x2138), (0x2150, 0x2182),
    (0x2190, 0x21FF), (0x2460, 0x249B), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x4F00), (0xAC00, 0xAD00),
    (0xFB00, 0xFB06), (0xFF01, 0xFF5E), (0x1D400, 0x1D454), (0x1F600, 0x1F640), (0x20000, 0x20020), (0xE000, 0xE010),
]  # fmt: skip
PIECES = [
    " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", "\r", "\x0b", "\x0c", "\x85", "\xa0", "\u2028", "\u3000", "\u200d",
    "\ufe0f", "'s", "'S", "'re", "'VE", "'ll", "'d", "'m", "'T", "'\u017f", "\u2581", "\0", "0", "12", "123", "1234",
    "1234567", "½", "²", "Ⅷ", "...", "!!", "://", "_", "e\u0301", "\u0301", "o\u0328\u0301", "\u1100\u1161\u11a8",
    "A\u030a", "\u212b", "\u0344", "hello", " the", "The", "x", "ing", "<s>", "</s>", "<|im_start|>", "<|im_end|>",
]  # fmt: skip


def random_text(rng: random.Random) -> str:
    """A few pieces, words of real text and characters one behind the other."""
    parts = []
    for _ in range(rng.randint(0, 12)):
        kind = rng.random()
        if kind < 0.45:
            parts.append(rng.choice(PIECES))
        elif kind < 0.7:
            words = rng.choice(list(SCRIPTS.values()))
            begin = rng.randrange(len(words))
            parts.append(words[begin : begin + rng.randint(1, 12)])
        else:
            first, last = rng.choice(RANGES)
            parts.append("".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 4))))
    return "".join(parts)
