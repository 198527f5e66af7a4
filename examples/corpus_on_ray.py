"""Answers a corpus on a cluster of Ray: each actor keeps one engine.

    pip install "fineprune[scale]"
    python examples/corpus_on_ray.py model.fineprune.safetensors texts/ answers/ --engines 15

Texts are Parquet files with a column `text`; answers are the same rows with the model's columns.
Without a cluster to connect to, Ray makes one of this machine. On one of several machines, the
model has to be a file that each of them can read, or the name of a repository on the Hugging Face
hub.
"""

import argparse

import ray

from fineprune import BatchPredictor

THREADS = 1  # of each engine; more engines answer more texts than more threads do


def main() -> None:
    """Reads, answers and writes, all at the same time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("texts")
    parser.add_argument("answers")
    parser.add_argument("--engines", type=int, default=1)  # one a core, but for one that reads
    arguments = parser.parse_args()

    ray.init()
    answers = ray.data.read_parquet(arguments.texts).map_batches(
        BatchPredictor,
        fn_constructor_kwargs={"model": arguments.model, "threads": THREADS},
        batch_size=512,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=arguments.engines),
        num_cpus=THREADS,
    )
    answers.write_parquet(arguments.answers)


if __name__ == "__main__":
    main()
