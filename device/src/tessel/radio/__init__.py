"""What carries octets off the board, behind one interface."""
