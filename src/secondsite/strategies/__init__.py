"""One module per pattern, link and switch: a System becomes a Deployment and its Procedures. Pure.

``design`` names the three kinds of part and what each yields; ``registry`` lists the combinations that make
sense; ``compose`` puts a Deployment and its Procedures together from the parts.
"""
