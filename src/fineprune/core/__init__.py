"""Pure tensor functions: selection, masked weights, gates, schedules, penalties, distillation."""
