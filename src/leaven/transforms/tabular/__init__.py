"""How are labelled rows changed so that their label stays true?"""
