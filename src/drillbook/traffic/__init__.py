"""The client's truth: what users of a service saw while it was harmed.

``sampler`` says when it answered, ``ledger`` which acknowledged writes it still has, ``in_flight`` what became of
requests it was working on. Each is thin: one endpoint, one writer, honest outcome classes, slips reported.
"""
