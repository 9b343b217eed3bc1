"""The 2015 document on High School and Beyond."""
