import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, describe, expect, it } from "vitest";
import { startSimulator } from "./simulator.ts";
import { chat, MODEL, until } from "./testing.ts";

const simulator = await startSimulator({
	replicas: [
		{ name: "near/a", model: MODEL, speed: 0 },
		{ name: "b", model: "other", speed: 0 },
	],
});
afterAll(() => simulator.close());

function control(path: string, body?: string): Promise<Response> {
	return fetch(`${simulator.controlUrl}/control/replicas${path}`, body === undefined ? {} : { method: "POST", body });
}

describe("the control endpoint", () => {
	it("shows the replicas", async () => {
		expect(await (await control("")).json()).toMatchObject([
			{ name: "near/a", model: MODEL, url: simulator.replica("near/a").url, warmth: "warm" },
			{ name: "b", model: "other" },
		]);
		expect(await (await control("/near%2Fa")).json()).toMatchObject({ running: 0, behaviour: { slow: 1, faults: [] } });
	});

	it("changes behaviour, shows what is left of it, and takes it back", async () => {
		const change = { slow: 2, faults: [{ kind: "status", status: 500, times: 2 }] };
		expect(await (await control("/near%2Fa", JSON.stringify(change))).json()).toMatchObject({ behaviour: change });
		expect((await chat(simulator.replica("near/a"))).status).toBe(500);
		expect((await chat(simulator.replica("b"), { model: "other" })).status).toBe(200);
		expect(await (await control("/near%2Fa")).json()).toMatchObject({ behaviour: { faults: [{ times: 1 }] } });
		const requests = (await (await control("/near%2Fa/requests")).json()) as unknown[];
		expect(requests).toEqual([expect.objectContaining({ path: "/v1/chat/completions" })]);
		expect(await (await control("/near%2Fa/reset", "")).json()).toMatchObject({ requests: 0, behaviour: { slow: 1 } });
		expect((await chat(simulator.replica("near/a"))).status).toBe(200);
	});

	it.each([
		["what is no JSON", "{"],
		["a list", "[]"],
		["an unknown behaviour", '{"slwo": 2}'],
		["a name that every object has", '{"constructor": 2}'],
		["a value of the wrong type", '{"slow": "2"}'],
		["a fault of no known kind", '{"faults": [{"kind": "boom"}]}'],
		["a fault without its parameter", '{"faults": [{"kind": "status"}]}'],
	])("refuses %s and changes nothing", async (_, body) => {
		const before = simulator.replica("b").state().behaviour;
		const response = await control("/b", body);
		expect(response.status).toBe(400);
		expect(await response.json()).toHaveProperty("error");
		expect(simulator.replica("b").state().behaviour).toEqual(before);
	});

	it("says what is not there", async () => {
		expect((await control("/c")).status).toBe(404);
		expect((await control("/b/other")).status).toBe(404);
		expect((await control("/b/reset")).status).toBe(405);
		expect(() => simulator.replica("c")).toThrow("no such replica");
	});
});

it("does not start two replicas of the same name, or at a port that is taken", async () => {
	const replica = { name: "a", model: MODEL };
	await expect(startSimulator({ replicas: [replica, replica] })).rejects.toThrow("same name");
	const port = Number(new URL(simulator.replica("b").url).port);
	await expect(startSimulator({ replicas: [replica, { ...replica, name: "c", port }] })).rejects.toThrow("EADDRINUSE");
});

describe("the command", () => {
	const main = new URL("main.ts", import.meta.url).pathname;

	it("prints the URLs as JSON, serves, and ends when it is told to", async () => {
		const child = spawn(process.execPath, [main, "--replica", "name=x,model=m,profile=L4,speed=0"]);
		let output = "";
		child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
		await until(() => output.endsWith("\n"));
		const printed = JSON.parse(output) as {
			controlUrl: string;
			replicas: { name: string; url: string; model: string }[];
		};
		expect(printed.replicas).toMatchObject([{ name: "x", model: "m" }]);
		expect((await fetch(`${printed.replicas[0]!.url}/health`)).status).toBe(200);
		expect((await fetch(`${printed.controlUrl}/control/replicas/x`)).status).toBe(200);
		child.kill("SIGTERM");
		expect(await once(child, "exit")).toEqual([0, null]);
	});

	it.each([[[]], [["--replica", "name=x,model=m,profile=Z80"]]])("explains itself to %j", async (args) => {
		const child = spawn(process.execPath, [main, ...args]);
		let errors = "";
		child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
		expect(await once(child, "close")).toEqual([1, null]);
		expect(errors).toContain("Usage:");
	});
});
