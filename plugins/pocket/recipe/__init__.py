"""The recipe of the Pocket model: corpus, tokenizer, training, export, evaluation."""
