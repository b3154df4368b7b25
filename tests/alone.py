"""A script run where only some packages are installed: an interpreter that finds no others."""

import subprocess
import sys
from pathlib import Path

ALLOWED = ("numpy", "PIL", "onnxruntime", "flatbuffers")
"""What `predict_onnx.py` needs; onnxruntime itself imports flatbuffers where it is there."""
_RUN = """
import importlib.abc, runpy, sys
class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        if first not in sys.stdlib_module_names and first not in {allowed!r}:
            raise ModuleNotFoundError(f"no module named {{name!r}}: not installed here", name=name)
sys.meta_path.insert(0, Nothing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own that can import the standard library and :data:`ALLOWED` only."""
    code = _RUN.format(allowed=ALLOWED)
    words = [sys.executable, "-I", "-c", code, str(script), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, cwd=script.parent, timeout=120)
