from __future__ import annotations

import subprocess
import sys


def test_a_layout_is_made_without_what_only_training_needs():
    # Lightning takes a third of the time of all imports.
    code = "import sys, pyg_gears.fitted_gears; print('lightning' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
