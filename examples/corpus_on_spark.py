"""Answers a corpus on Spark: each Python worker keeps one engine.

    spark-submit examples/corpus_on_spark.py model.fineprune.safetensors texts/ answers/

Texts are Parquet files with a column `text`; answers are the same rows with the model's columns.
The model has to be a file that each machine can read, or the name of a repository on the Hugging
Face hub; fineprune, pandas and pyarrow have to be in the Python of each.
"""

import argparse

from pyspark.sql import SparkSession
from pyspark.sql.functions import col

from fineprune import spark_udf


def main() -> None:
    """Reads, answers and writes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("texts")
    parser.add_argument("answers")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("fineprune").getOrCreate()
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 512)
    answer = spark_udf(arguments.model, threads=1)  # Spark runs a worker for each core
    texts = spark.read.parquet(arguments.texts)
    texts.withColumn("said", answer(col("text"))).select("*", "said.*").drop("said").write.parquet(
        arguments.answers
    )
    spark.stop()


if __name__ == "__main__":
    main()
