"""LangChain: embeddings by their methods alone, and with langchain-core, where that is installed; the chat model."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

import soniq
from soniq.integrations.langchain import SoniqEmbeddings, chat_model

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from test_command import pack  # noqa: E402

TEXTS = ["a b c", "d", "e f g h"]


def test_embeddings(encoder: soniq.Encoder, encoder_path: Path) -> None:
    embeddings = SoniqEmbeddings(encoder, document_prompt="x ", query_prompt="q ")
    rows = embeddings.embed_documents(TEXTS)
    assert rows == encoder.encode(TEXTS, prompt="x ", normalize_embeddings=True).tolist()
    query = embeddings.embed_query("a b")
    assert query == encoder.encode("q a b", normalize_embeddings=True).tolist()
    assert isinstance(rows[0][0], float) and isinstance(query[0], float)
    assert asyncio.run(embeddings.aembed_documents(TEXTS)) == rows
    assert asyncio.run(embeddings.aembed_query("a b")) == query
    assert embeddings.embed_documents([]) == []
    plain = SoniqEmbeddings(encoder_path, threads=1, max_length=5, normalize=False)
    assert plain.encoder.max_seq_length == 5 and plain.embed_query("a") == encoder.encode("a").tolist()
    with pytest.raises(TypeError, match="encoder that is given"):
        SoniqEmbeddings(encoder, threads=2)


def test_a_vector_store_takes_them(encoder: soniq.Encoder) -> None:
    core = pytest.importorskip("langchain_core")
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    embeddings = SoniqEmbeddings(encoder)
    assert isinstance(embeddings, Embeddings), core
    store = InMemoryVectorStore.from_texts(TEXTS, embedding=embeddings)
    assert [found.page_content for found in store.similarity_search("d", k=1)] == ["d"]


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> soniq.Model:
    pytest.importorskip("langchain_core")
    pytest.importorskip("jinja2")
    return soniq.load(pack(tmp_path_factory.mktemp("chat")), threads=1)


def prompt(model: soniq.Model, text: str) -> np.ndarray:
    turn = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    return model.tokenizer.encode(turn, parse_special=True)


def expected(model: soniq.Model, text: str, max_tokens: int) -> str:
    return model.tokenizer.decode(list(model.generate(prompt(model, text), max_tokens=max_tokens)))


def test_chat_is_a_runnable(language_model: soniq.Model) -> None:
    from langchain_core.messages import HumanMessage
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import Runnable

    chat = chat_model(language_model, max_tokens=12)
    assert isinstance(chat, Runnable)
    answer = chat.invoke([HumanMessage("Who are you?")])
    assert answer.content == expected(language_model, "Who are you?", 12)
    assert answer.usage_metadata["input_tokens"] == len(prompt(language_model, "Who are you?"))
    assert answer.usage_metadata["output_tokens"] <= 12
    assert answer.response_metadata["finish_reason"] in ("length", "stop")
    chain = ChatPromptTemplate.from_messages([("human", "Who is {name}?")]) | chat | StrOutputParser()
    assert chain.invoke({"name": "Ann"}) == expected(language_model, "Who is Ann?", 12)
    names = [{"name": name} for name in "abc"]
    assert chain.batch(names) == [expected(language_model, f"Who is {name}?", 12) for name in "abc"]


def test_chat_streams(language_model: soniq.Model) -> None:
    chat = chat_model(language_model, max_tokens=12)
    pieces = list(chat.stream("Who are you?"))
    wanted = expected(language_model, "Who are you?", 12)
    assert len(pieces) > 2 and "".join(str(piece.content) for piece in pieces) == wanted

    async def streamed() -> str:
        return "".join([str(piece.content) async for piece in chat.astream("Who are you?")])

    assert asyncio.run(streamed()) == wanted


def test_options_of_chat(language_model: soniq.Model) -> None:
    chat = chat_model(language_model, max_tokens=30)
    whole = expected(language_model, "Who are you?", 30)
    assert chat.invoke("Who are you?", stop=[whole[3:5]]).content == whole[: whole.index(whole[3:5])]
    assert chat.bind(max_tokens=2).invoke("Who are you?").content == expected(language_model, "Who are you?", 2)
    seeded = [chat.invoke("Who?", temperature=1.5, seed=seed).content for seed in (1, 1, 2)]
    assert seeded[0] == seeded[1] != seeded[2]
    own = chat_model(language_model, template="{{ messages[0].content }}", max_tokens=9)
    assert own.invoke("Once").content == "".join(language_model.generate("Once", max_tokens=9))


def test_what_chat_refuses(language_model: soniq.Model, encoder: soniq.Encoder) -> None:
    from langchain_core.messages import HumanMessage, ToolMessage

    with pytest.raises(TypeError, match="unknown option 'heat'"):
        chat_model(language_model, heat=3)
    chat = chat_model(language_model)
    with pytest.raises(TypeError, match="unknown option 'heat'"):
        chat.invoke("hello", heat=3)
    with pytest.raises(ValueError, match="'tool'"):
        chat.invoke([ToolMessage("x", tool_call_id="1")])
    picture = {"type": "image_url", "image_url": "x"}
    with pytest.raises(ValueError, match="something else than text"):
        chat.invoke([HumanMessage([picture])])
    with pytest.raises(TypeError, match="no decoder"):
        chat_model(encoder.model)
    with pytest.raises(ValueError, match="cannot be read"):
        chat_model(language_model, template="{% for %}")


def test_without_langchain(encoder: soniq.Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "soniq.integrations.langchain_chat", raising=False)
    monkeypatch.delattr("soniq.integrations.langchain_chat", raising=False)
    monkeypatch.setitem(sys.modules, "langchain_core.callbacks", None)
    with pytest.raises(ImportError, match="pip install langchain-core"):
        chat_model(encoder.model)
