"""Looking at a tracker while it runs.

A tracker announces panels (`BaseTracker.panels`), `LiveView` reads them after each frame, and viewers show them: in a
browser by way of visdom, in files, or as lines on the terminal. Without a viewer none of this is imported.
"""
