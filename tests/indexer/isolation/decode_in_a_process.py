"""Decode files in a process of its own; arguments: how many workers, then files and folders.

Prints JSON: what became of each file, and the largest memory of a worker in bytes. There is no
guard around the code, as in the scripts that people write.
"""

import json
import os
import resource
import sys
from pathlib import Path

from indexer.corpus import walk
from indexer.isolation.pool import DecodePool
from indexer.preprocess import PRESETS

outcomes = {}
with DecodePool(workers=int(sys.argv[1]), preset=PRESETS["vit-half-224"]) as pool:
    for prepared in pool.map(walk(Path(path) for path in sys.argv[2:])):
        problem = prepared.problem
        outcomes[prepared.file.path] = (
            [prepared.width, prepared.height] if problem is None else problem.reason.value
        )
        if os.environ.get("DIE_EARLY"):
            sys.stdout.write(json.dumps(pool.pids))
            sys.stdout.flush()
            os.kill(os.getpid(), 9)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
sys.stdout.write(json.dumps({"outcomes": outcomes, "peak": peak * 1024}))
