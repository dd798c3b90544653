"""What touches the outside, a room a purpose; the files beside the rooms serve several of them."""
