#!/usr/bin/env bash
# Installs the wheel and the source distribution of dist/ into clean environments and mines with each. The wheel's
# environment has no Rust on its path.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

program='
import numpy as np, nvmine
scores = np.array([[0.91, 0.84, 0.62, 0.40]], dtype=np.float32)
negatives = nvmine.mine(scores, np.array([0.90]), method="margin", margin=0.05, n=2)
assert negatives.ids.tolist() == [[1, 2]], negatives.ids
assert nvmine.__file__.startswith(__import__("sys").prefix), nvmine.__file__
print("mined with nvmine", nvmine.__version__, "from", nvmine.__file__)
'
python=${PYTHON:-python3}
"$python" -m venv "$work/wheel"
(
  cd "$work"
  export PATH="$work/wheel/bin:/usr/bin:/bin"
  if command -v cargo >/dev/null; then echo "cargo is on the bare path: the wheel is not proved to need no Rust"; fi
  pip install --quiet --disable-pip-version-check "$OLDPWD"/dist/nvmine-*-abi3-*.whl
  python -c "$program"
  nvmine --version
)
"$python" -m venv "$work/sdist"
mkdir "$work/source"
tar -xzf dist/nvmine-*.tar.gz -C "$work/source" --strip-components 1
(
  cd "$work/source"
  "$work/sdist/bin/pip" install --quiet --disable-pip-version-check .
  cd "$work"
  "$work/sdist/bin/python" -c "$program"
)
