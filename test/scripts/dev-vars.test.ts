import { describe, expect, it } from "vitest";
import { parseDevVars } from "../../scripts/dev-vars.ts";

describe("parseDevVars", () => {
	it("reads names and values", () => {
		const text = "# mine\n\nA=1\nexport B = two \nC=\nSETTINGS='{\"recordHours\": 48}'\r\nD=x=y # z\n";
		expect(parseDevVars(text)).toEqual({ A: "1", B: "two", C: "", SETTINGS: '{"recordHours": 48}', D: "x=y" });
	});

	it("reads a value in quotes over several lines", () => {
		expect(parseDevVars('PEM="first\nnot a name\nlast"\nA=1')).toEqual({ PEM: "first\nnot a name\nlast", A: "1" });
	});

	it.each([
		["VLLM_API_KEY sk-secret", 1],
		["A=1\nVLLM_API_KEY: sk-secret\nB=2", 2],
		["A=1\n\n=sk-secret", 3],
		['A="open\nsk-secret', 2],
	])("names the line of %j and not what stands there", (text, line) => {
		expect(() => parseDevVars(text)).toThrow(new Error(`.dev.vars, line ${line}: not a line NAME=value.`));
	});
});
