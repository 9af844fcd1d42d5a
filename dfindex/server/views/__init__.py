"""What pages show, apart from how."""
