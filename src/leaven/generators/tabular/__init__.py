"""Which labelled rows could also have been?"""
