"""Where orders go: one port, and one module for each venue that keeps its promises."""
