"""scripts/export-model: its options, and functions of odd_models.py. What a network itself may be is in Tests/Models/check_exports.py."""

FUNCTIONS = (
    "raises divides not_three no_module no_inputs array_input no_manifest no_name no_shape other_shape other_type one_item two_inputs "
    "two_outputs wrong_output wrong_width double bad_batch few_labels bad_preprocessing text_output").split()

COMMANDS = """
scripts/export-model
scripts/export-model efficientnet
scripts/export-model resnet-18
scripts/export-model resnet-18 a.pt b.pt
scripts/export-model --function odd_models:right
scripts/export-model --function odd_models made/m.pt
scripts/export-model --function odd_models:nosuch made/m.pt
scripts/export-model --function nosuch:right made/m.pt
scripts/export-model --function odd_models:right --trace --script made/m.pt
scripts/export-model --function odd_models:right --quick made/m.pt
scripts/export-model --function odd_models:right a-folder
scripts/export-model --function odd_models:right a-file/m.pt
scripts/export-model --function odd_models:right /proc/m.pt
scripts/export-model --function odd_models:branch --trace made/m.pt
""" + "\n".join(f"scripts/export-model --function odd_models:{name} made/m.pt" for name in FUNCTIONS)
