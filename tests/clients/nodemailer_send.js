// SPDX-License-Identifier: Apache-2.0
// Sends mail with nodemailer as one JSON object on standard input says, and prints what became of each message.
//
// In:  {"transport": {...}, "messages": [{...}, ...]}, the options of nodemailer's createTransport() and sendMail()
// Out: [{"accepted": [...], "rejected": [...]} or {"code": "EAUTH", "responseCode": 535}, ...]
"use strict";

const { readFileSync } = require("node:fs");
const { createTransport } = require("nodemailer");

async function attempt(transport, message) {
  try {
    const { accepted, rejected } = await transport.sendMail(message);
    return { accepted, rejected };
  } catch (error) {
    return { code: error.code, responseCode: error.responseCode };
  }
}

async function main() {
  const wanted = JSON.parse(readFileSync(0, "utf-8"));
  const transport = createTransport(wanted.transport);
  const outcomes = await Promise.all(wanted.messages.map((message) => attempt(transport, message)));
  transport.close();
  console.log(JSON.stringify(outcomes));
}

main();
