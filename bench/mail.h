/* SPDX-License-Identifier: Apache-2.0 */
/* What smtpload sends: the message, and the commands in front of it, both built once. */
#ifndef MAIL_H
#define MAIL_H

/* Octets to send that belong to somebody else. */
struct piece {
    const char *octets;
    size_t length, sent;
};

static struct piece message;                                             /* the mail data with its final dot */
static struct piece *groups;                                             /* MAIL, RCPT and DATA for each recipient */
static const char mail_line[] = "MAIL FROM:<load@client.example>\r\n"; /* the first of a group */
static const char data_line[] = "DATA\r\n";                            /* the last of a group */

/* Words as people write them, so that a receiver that looks for words has something to look at. */
static const char prose[] =
    "Dear all, thank you for coming to the meeting on Tuesday. The notes are below; please read them before you "
    "answer, and tell me if I have left something out. We agreed that the new office opens in March, that the old "
    "desks are sold, and that everybody packs their own books. The order for the shelves went out this morning: three "
    "long ones for the corridor and two short ones for the kitchen. Our account with the carrier has to be renewed by "
    "the end of the month, which costs about 120 a year. If you would like to help with the move on Saturday, write "
    "your name on the list beside the door. There will be coffee, sandwiches and probably rain. ";

static void give_up(const char *what)
{
    perror(what);
    exit(2);
}

static void *allocate(size_t octets)
{
    void *memory = calloc(1, octets);
    if (!memory) give_up("memory");
    return memory;
}

/* The recipient's own line of a group. */
static struct piece rcpt_line(long recipient)
{
    const struct piece *group = &groups[recipient];
    return (struct piece){group->octets + sizeof mail_line - 1,
                          group->length - (sizeof mail_line - 1) - (sizeof data_line - 1), 0};
}

static void build_groups(long recipients)
{
    groups = allocate((size_t)recipients * sizeof *groups);
    for (long i = 0; i < recipients; i++) {
        char octets[200];
        int length = snprintf(octets, sizeof octets, "%sRCPT TO:<user%ld@example.com>\r\n%s", mail_line, i, data_line);
        groups[i] = (struct piece){strdup(octets), (size_t)length, 0};
        if (!groups[i].octets) give_up("memory");
    }
}

/* Fills a line with the prose from `position` on, with no dot in front (RFC 5321, 4.5.2); gives the next position. */
static size_t fill_line(char *line, size_t length, size_t position)
{
    while (prose[position % (sizeof prose - 1)] == '.') position++;
    for (size_t i = 0; i < length; i++) line[i] = prose[position++ % (sizeof prose - 1)];
    return position;
}

static void build_message(long body_octets)
{
    static const char header[] = "From: <load@client.example>\r\nTo: <user0@example.com>\r\nSubject: load\r\n"
                                 "Message-ID: <1@client.example>\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\n\r\n";
    char *octets = allocate(sizeof header + (size_t)body_octets + 90), *end = octets + sizeof header - 1;
    size_t position = 0;
    memcpy(octets, header, sizeof header - 1);
    for (long left = body_octets; left > 0; left -= 80) {
        size_t length = left >= 80 ? 78 : left > 2 ? (size_t)left - 2 : 1;
        position = fill_line(end, length, position);
        memcpy(end + length, "\r\n", 2);
        end += length + 2;
    }
    memcpy(end, ".\r\n", 3);
    message = (struct piece){octets, (size_t)(end + 3 - octets), 0};
}

#endif
