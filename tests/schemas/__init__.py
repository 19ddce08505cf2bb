"""What others see."""
