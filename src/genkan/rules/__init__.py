# SPDX-License-Identifier: Apache-2.0
"""The operator's rule documents, parsed: one module a format. Pure; every rule knows document, revision and line.

The formats are those of the product (its pages bsd-04-01, faq10-45, bsd-04-13, faq01-50, faq17-09). A line that cannot be
understood is a finding and silences no other.
"""
