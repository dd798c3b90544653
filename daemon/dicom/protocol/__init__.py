"""What goes over the wire: PDUs, DIMSE and STOW messages, procedure steps, instances on their way out."""
