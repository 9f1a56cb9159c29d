"""``secondsite.yaml``: the System as a file that people read, correct and keep under version control.

schema.py     which key holds which attribute, and in which grammar
scalars.py    one value as YAML text
comments.py   marks as end-of-line comments
teaching.py   what the file says to a newcomer
writing.py    System -> text
document.py   text as nodes with their ends
structure.py  plain values -> nouns, and every fault with its path
reading.py    text -> System, or every problem of it at once
merging.py    what was discovered last and now, and what a person made of it -> one System
editing.py    the text so changed that it says another System, and nothing else touched
updating.py   all of that for a file that may exist
saving.py     whole files or none
"""
