"""A corpus through the engine: a file of any size, or a data set spread over a cluster.

```
rows.py        a row of texts, and what may be wrong with it   -> Row
columns.py     what answers look like as columns               -> Kind
answers.py     an engine's answers to rows, as columns         -> Answerer
batches.py     batches of Ray, or of anything alike            -> BatchPredictor
spark.py       a pandas UDF                                    -> spark_udf
text_files.py  texts out of CSV, TSV, JSON lines, plain lines  -> TextFile
parquet.py     Parquet files, both ways; needs pyarrow
json_lines.py  answers as JSON lines
formats.py     formats by the ending of a file's name
parts.py       what is done already, beside the output         -> Parts
progress.py    a bar, or lines                                 -> Progress
file.py        from file to file, part by part                 -> answer_file
```
"""
