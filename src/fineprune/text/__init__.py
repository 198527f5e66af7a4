"""Text to tokens, and tokens back to answers: for training, evaluation and the engine alike.

```
tokenizer.py      what is asked of a tokenizer                      -> Tokenizer
fast.py           one that needs nothing but its files              -> FastTokenizer
settings.py       what these files say                              -> TokenizerSettings
classes.py        what tokenizer classes of transformers do to them
trained.py        what a model's recipe says of its texts           -> TrainedText
prompts.py        what stands before each text                      -> Prompts
windows.py        contexts cut to what a model takes                -> ContextMap
answers.py        logits to the best answers                        -> Prediction
pieces.py         texts cut to what a model takes                   -> Piece
entities.py       logits to entities                                -> Token, entities_of
characters.py     what tokenizers cannot take
```
"""
