import base64
class A:
    """doc"""
    def f(self):
        exec(base64.b64decode("YQ=="))
__import__("os").system('x')
