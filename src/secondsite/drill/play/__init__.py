"""How a drill is played in a lab: setup, load, detection, the procedure, the final reads."""
