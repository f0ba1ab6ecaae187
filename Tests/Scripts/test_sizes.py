"""How .ci/check-sizes measures functions, language by language."""

import importlib.util
import subprocess
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".ci/check-sizes"
SAMPLES = {
    "swift": (
        """
// A brace of a comment: {
protocol Shape {
  func area() -> Int
  var name: String { get }
}
struct Square: Shape {
  let side = { 3 }()
  init?(side: Int, text: String = "{", make: () -> Int = { 4 }) {
    guard side > 0 else { return nil }
  }
  public static func == (a: Square, b: Square) -> Bool {
    true
  }
  @inline(__always) func area()
    -> Int
  {
    func inner() -> Int { 2 }
    return inner()
  }
  var text: String {
    \"\"\"
    }
    \"\"\"
  }
}
""",
        [("name", 1), ("init", 3), ("==", 3), ("area", 6), ("inner", 1), ("text", 5)],
    ),
    "c": (
        """
#define LOOP(name) \\
  static void name(void) { \\
  }
namespace {
LOOP(first)
LOOP(second)

// A brace: }
static const int numbers[] = {1, 2};
struct Row {
  int width() const { return '{'; }
};
int plain(int a,
          int b) {
  if (a) {
    return b;
  }
  return 0;
}
}  // namespace
""",
        [("width", 1), ("plain", 7)],
    ),
    "python": (
        'def outer():\n    """{"""\n    def inner():\n        return 1\n    return inner\n',
        [("outer", 5), ("inner", 2)],
    ),
    "shell": ("one() {\n  if true; then\n    echo '}'\n  fi\n}\ntwo() { echo; }\n", [("one", 5)]),
}


@pytest.fixture(scope="module")
def check_sizes():
    loader = SourceFileLoader("check_sizes", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_sizes", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("language", SAMPLES)
def test_functions(check_sizes, language):
    text, expected = SAMPLES[language]
    assert check_sizes.functions(text, language) == expected


@pytest.mark.parametrize("text", ["func a() {\n", "func a() {\n}}\n"])
def test_braces_that_do_not_match_are_an_error(check_sizes, text):
    with pytest.raises(ValueError, match="brace"):
        check_sizes.functions(text, "swift")


def test_what_is_too_long_is_named(tmp_path):
    # Beyond both limits.
    source = tmp_path / "long.py"
    source.write_text("def f():\n" + "    pass\n" * 60 + "\n" * 340)
    answer = subprocess.run([SCRIPT, source], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        f"{source}: has 401 lines, limit 400",
        f"{source}: f has 61 lines, limit 60",
    ]
