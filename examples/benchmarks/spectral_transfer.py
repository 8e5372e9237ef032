"""Seconds and memory of the spectral basis and of a whole transfer against the number of pixels, beside a dense reference.

Each case runs in a process of its own, on one thread; seconds are CPU seconds, memory is the peak that the case adds.

python examples/benchmarks/spectral_transfer.py [--sides 64 128 256 512 1024] [--dense 64]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time

import numpy as np

K = 12


def measure(case: str, side: int) -> None:
    """Run one case and print seconds and MiB."""
    from pyg_gears.spectral import affinity_laplacian, lowest_eigenvectors
    from pyg_gears.transfer import draw_boxes, draw_curves, picture_graph, transfer

    curves, boxes = picture_graph(draw_curves(side)), picture_graph(draw_boxes(side))
    lowest_eigenvectors(affinity_laplacian(curves.signal[:700], curves.edge_index[:, :0]), 2)  # imports
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if case == "basis":
        lowest_eigenvectors(affinity_laplacian(curves.signal, curves.edge_index), K)
    elif case == "dense":
        np.linalg.eigh(affinity_laplacian(curves.signal, curves.edge_index).toarray())
    else:
        transfer(curves, boxes)
    seconds = time.process_time() - start
    print(seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def main() -> None:
    """Run the cases and print the table and the exponent of the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128, 256, 512, 1024])
    parser.add_argument("--dense", type=int, nargs="*", default=[64], help="sides of the dense reference: n x n values")
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "SIDE"), help="run one case and print it")
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure[0], int(arguments.measure[1]))
        return
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    print(f"{'case':<10}{'pixels':>12}{'CPU s':>10}{'MiB':>10}")
    for case, sides in (("basis", arguments.sides), ("transfer", arguments.sides), ("dense", arguments.dense)):
        seconds = []
        for side in sides:
            command = [sys.executable, "-W", "ignore", __file__, "--measure", case, str(side)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            spent, memory = map(float, done.stdout.split())
            seconds.append(spent)
            print(f"{case:<10}{side * side:>12,}{spent:>10.2f}{memory:>10.0f}", flush=True)
        if len(sides) > 1:
            slope = np.polyfit(np.log(np.square(sides)), np.log(seconds), 1)[0]
            print(f"{case:<10} time goes with pixels to the power {slope:.2f}")


if __name__ == "__main__":
    main()
