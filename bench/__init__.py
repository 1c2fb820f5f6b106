"""What does it cost, measured beside others in the same run?"""
