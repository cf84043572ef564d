// Verifies messages of SNS with npm's sns-validator: each line of the input is a
// body, each line of the output says what it finds wrong, or nothing. The
// argument is the pattern of the hosts that certificates may come from.
import { createInterface } from "node:readline";
import MessageValidator from "sns-validator";

const validator = new MessageValidator(new RegExp(process.argv[2]));

for await (const line of createInterface({ input: process.stdin })) {
  const wrong = await new Promise((done) => validator.validate(JSON.parse(line), (err) => done(err ? err.message : "")));
  process.stdout.write(JSON.stringify(wrong) + "\n");
}
