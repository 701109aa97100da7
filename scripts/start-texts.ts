export const HELP = `npm start -- [options]

Runs Isobar on this machine, in front of simulated GPU pools.

  --port N      where to listen (8787)
  --host HOST   which address to listen at (127.0.0.1)
  --state DIR   where D1, the Durable Objects and the demo's credentials are kept (.isobar)
  --reset       delete that state first
  --help        show this

Credentials of pools that you add are read from .dev.vars, a line NAME=value each.`;

const MODEL = "llama-3.1-8b";

/** A program that works as it stands where `sdk`, the package or its URL, is found. */
export function sdkExample(url: string, key: string, sdk = "openai"): string {
	return `import OpenAI from "${sdk}";

const client = new OpenAI({ baseURL: "${url}/v1", apiKey: "${key}" });
const stream = await client.chat.completions.create({
	model: "${MODEL}",
	messages: [{ role: "user", content: "What joins points of equal pressure?" }],
	stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
console.log();
`;
}

export function curlExample(url: string, key: string): string {
	const body = JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "Hello" }] });
	return `curl ${url}/v1/chat/completions -H 'authorization: Bearer ${key}' -H 'content-type: application/json' -d '${body}'`;
}

interface Welcome {
	readonly url: string;
	readonly key: string;
	readonly budgetDayUsd: number;
	readonly curl: string;
	readonly code: string;
	readonly example: string;
	/** The program that runs the example. */
	readonly node: string;
	/** Of the simulated pools. */
	readonly controlUrl: string;
	readonly state: string;
	readonly isDefaultState: boolean;
	readonly credentials: string;
	readonly seconds: number;
}

/** What the terminal shows once everything runs. */
export function welcome(facts: Welcome): string {
	const reset = facts.isDefaultState ? "npm start -- --reset" : `npm start -- --state ${facts.state} --reset`;
	return `
Isobar runs (after ${facts.seconds.toFixed(1)} s), in front of simulated pools.

  base URL   ${facts.url}/v1
  key        ${facts.key}   (tenant demo, $${facts.budgetDayUsd} a day)

With curl:

${facts.curl}

With the OpenAI SDK (run it with  ${facts.node} ${facts.example}):

${facts.code.trimEnd()}

The pools of ${MODEL}: h100-reserved is always warm, token-api is far and paid by the token, l40s-serverless has scaled to
zero and needs 8 s to start. With "model": "auto" a router chooses between it, llama-3.1-70b and llama-3.1-405b, which are paid by
the token. The control of all pools (slow them down, break them: README): ${facts.controlUrl}

State is in ${facts.state}, the admin token in ${facts.credentials}. To begin anew: ${reset}
Ctrl-C stops. One line a request follows.
`;
}
