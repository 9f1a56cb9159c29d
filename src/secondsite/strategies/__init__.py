"""One module per pattern or link: a System becomes a Deployment and its Procedures. Pure."""
