"""Strings into token ids, as graph ops; vocabularies; pretrained vectors."""
