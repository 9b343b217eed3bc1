"""A file of twelve students in four schools, and a formula for it."""

STUDENTS = """school,ses,math,sector,note
1,0.5,12.1,0,a
1,-0.2,10.4,0,b
1,0.1,11.0,0,a
2,1.0,15.2,1,b
2,0.7,14.1,1,a
2,-0.4,13.0,1,b
3,0.0,9.5,0,a
3,0.3,10.1,0,b
3,-1.1,8.2,0,a
4,0.9,16.0,1,b
4,0.2,13.9,1,a
4,-0.6,12.2,1,b
"""
F = "math ~ ses + (1 | school)"
