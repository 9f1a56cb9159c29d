"""The client processes of a drill. They stand alone: neither the lab nor the operator is known to them."""
