"""What examines a subject, one method a module; a bundle names its method, and brings its networks and its numbers."""
