import { topLevelMembers } from "../../src/shared/http/json-members.ts";
import { jsonText } from "../../src/shared/http/json-values.ts";
import { prefixChain } from "../../src/shared/kv/prefix-chain.ts";
import { cpuMicroseconds } from "./cpu-time.ts";

const BODY_BYTES = 200_000;
const MESSAGES = 62;
const LINE = 'if (cart["total"] > limit) {\n\treturn "over the limit";\n}\n';
const BATCH = 20;

/** Milliseconds of CPU to hash a body of 200 KB, compact as JavaScript's SDK writes it and with spaces as Python's does. Its
 *  members have been found before: the gateway needs them anyway. */
export function measureHash(rounds: number): { readonly compact: number; readonly spaced: number } {
	const messages = Array.from({ length: MESSAGES }, (_, i) => ({
		role: i % 2 === 0 ? "user" : "assistant",
		content: LINE.repeat(100).slice(0, contentLength()) + i,
	}));
	const compact = JSON.stringify({ model: "m", messages });
	const spaced = compact.replaceAll('","', '", "').replaceAll('":', '": ');
	return { compact: millisecondsOf(compact, rounds), spaced: millisecondsOf(spaced, rounds) };
}

function millisecondsOf(body: string, rounds: number): number {
	const json = jsonText(new TextEncoder().encode(body));
	const members = topLevelMembers(json);
	if (!members.ok) throw new Error(members.error.message);
	const input = { endpoint: "chat", json, members: members.value, model: "m", salt: "tenant" } as const;
	let total = 0;
	for (let round = -rounds; round < rounds; round++) {
		const began = cpuMicroseconds();
		for (let i = 0; i < BATCH; i++) prefixChain(input);
		if (round >= 0) total += cpuMicroseconds() - began;
	}
	return total / (rounds * BATCH) / 1_000;
}

/** Of one message, so that the body has its size with what JSON escapes. */
function contentLength(): number {
	const escaped = JSON.stringify(LINE).length - 2;
	return Math.floor(((BODY_BYTES / MESSAGES - 40) * LINE.length) / escaped);
}
