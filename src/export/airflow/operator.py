# Exit codes that come out the same however often they are tried.
FINAL = {
    1: "a node, a test or an export failed",
    2: "a mistake in the command, the configuration or the project",
    3: "the project no longer matches this file: run `strata export airflow` again",
    126: "the program cannot be executed",
    127: "the program was not found",
}


class StrataOperator(BashOperator):
    """Runs one command of Strata. Airflow's retries are spent on what another try may mend."""

    template_fields = ("strata_vars",)
    template_fields_renderers = {"strata_vars": "json"}
    template_ext = ()
    strata_vars = INTERVAL

    def execute(self, context):
        env = {**self.get_env(context), "STRATA_VARS": self.strata_vars}
        result = self.subprocess_hook.run_command(["bash", "-c", self.bash_command], env=env)
        code = result.exit_code
        if code == 0:
            return result.output  # the last line: a summary as JSON
        if code == 75:
            raise AirflowException("Exit code 75: the database or a service was busy or cut off")
        if code < 0 or 128 < code <= 192:
            raise AirflowException(f"Ended by signal {-code if code < 0 else code - 128}")
        raise AirflowFailException(f"Exit code {code}: {FINAL.get(code, 'unknown')}")
