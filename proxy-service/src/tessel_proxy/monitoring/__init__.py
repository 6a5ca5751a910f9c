"""What a running proxy tells machines and operators."""
