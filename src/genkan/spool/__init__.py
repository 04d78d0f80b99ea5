# SPDX-License-Identifier: Apache-2.0
"""What is kept until it is passed on: accepted mail, the queue of its recipients, and when each is tried again.

Nothing here talks to a client or a next hop. RFC 5321, 4.5.4 (the sending queue) and 6.1 (the duty to deliver).
"""
