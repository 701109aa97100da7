import { expect, test } from "vitest";
import { judgeBody, shadowBody } from "../../../functions/route/shadow/shadow-body.ts";

const client = {
	model: "auto",
	messages: [{ role: "user", content: "x" }],
	stream: true,
	n: 2,
	isobar: { regions: ["eu"], priority: "interactive", route: { max_seconds: 9, cache: true } },
};
const require = { regions: ["eu"], licences: ["MIT"], privacy: "own" as const, price_ceiling_usd: 0.01 };
const bytes = new TextEncoder().encode(JSON.stringify(client));

test("whoever sees the prompt besides is bound by all that bound the first: place, zone, licence and price", () => {
	const body = shadowBody(bytes, "second", { max_seconds: 9, require })!;
	expect(body).toEqual({
		model: ["second"],
		messages: client.messages,
		isobar: { regions: ["eu"], priority: "batch", hedge: false, heartbeats: false, route: { require } },
	});
	expect(judgeBody(body, "judge", [], { require })).toMatchObject({ model: ["judge"], isobar: body["isobar"] });
});

test("what is no JSON to a parser is not sent a second time", () => {
	expect(shadowBody(new TextEncoder().encode('{"prompt":"a\n"}'), "second", {})).toBeNull();
});
