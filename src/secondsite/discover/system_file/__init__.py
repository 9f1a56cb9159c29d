"""``secondsite.yaml``: the System as a file that people read, correct and keep under version control.

schema.py    which key holds which attribute, and in which grammar
document.py  text as nodes with their spans
comments.py  marks as end-of-line comments
reading.py   text -> System, or every problem of it at once
writing.py   System -> text
merging.py   what was discovered last and now, and what a person made of it -> one System
editing.py   the text of a file so changed that it says another System, and nothing else touched
saving.py    whole files or none
"""
