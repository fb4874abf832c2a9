"""What arrived at the simulator and what was answered."""
