"""What a task is: its settings, its data, its features and its metrics. Needs no PyTorch.

```
base.py              what every task offers to training and evaluation -> Task
tokenizer.py         what tasks need of a tokenizer                    -> Tokenizer
model_names.py       what recipes call a model                         -> resolve_name
registry.py          tasks by kind                                     -> TaskSettings, load_task
data/                files and data sets of the hub, to tables
reading.py           sources read split by split, with notes on them   -> Reading
seen_tokens.py       tokens of the training texts                      -> seen_tokens
class_weights.py     what classes weigh in a loss                      -> weights_of_classes
classification/      text classification and regression
question_answering/  extractive question answering
sentence_embedding/  vectors of texts
token_classification/  entities in texts
reranking/           documents scored for a query
ranking/             metrics of documents ranked for queries
values.py            values of a row as texts and numbers              -> text_of, number_of
proposal/            a recipe for data that nobody has described yet   -> propose
```
"""
