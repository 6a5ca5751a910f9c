"""What carries bytes off the board, behind one interface."""
