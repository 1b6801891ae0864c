"""Verifies the logs of a fleet with Spark.

The driver splits the list of logs. Executors write a part of each share with `flb-audit
verify --part`. The driver gets the parts one after the other, and `flb-audit merge` judges
them. The job's exit code is that of `merge`.

    spark-submit job.py --logs LIST [--shares N] [--program PATH] [ARGUMENT OF merge]...
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

from pyspark import StorageLevel
from pyspark.sql import SparkSession


def part(program, logs):
    """Returns the part of some logs. An executor runs this."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "part")
        verify = [program, "verify", "--part", str(path), *logs]
        done = subprocess.run(verify, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"flb-audit verify --part: {done.stderr.strip()}")
        return path.read_bytes()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    arguments.add_argument("--logs", required=True, help="a file with a log on each line")
    arguments.add_argument("--shares", type=int, default=64, help="the number of parts")
    arguments.add_argument("--program", default="flb-audit", help="flb-audit on every machine")
    known, of_merge = arguments.parse_known_args()
    program = known.program
    logs = [line for line in pathlib.Path(known.logs).read_text().splitlines() if line]
    shares = [logs[first :: known.shares] for first in range(min(known.shares, len(logs)))]

    spark = SparkSession.builder.appName("flb-audit").getOrCreate()
    with tempfile.TemporaryDirectory() as directory:
        rdd = spark.sparkContext.parallelize(shares, max(len(shares), 1))
        parts = rdd.map(lambda share: part(program, share)).persist(StorageLevel.DISK_ONLY)
        # All parts are written at the same time, and then fetched one after the other.
        parts.count()
        paths = []
        for number, text in enumerate(parts.toLocalIterator()):
            paths.append(pathlib.Path(directory, f"{number}.part"))
            paths[-1].write_bytes(text)
        spark.stop()
        code = subprocess.run([program, "merge", *of_merge, *map(str, paths)]).returncode
    sys.exit(code)


if __name__ == "__main__":
    main()
