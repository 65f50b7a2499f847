// Prints an answer with one object as YAML: messages, nested messages and constants as a user's C++ sees them.
#include <iostream>

#include <llava_grounding/action/ground.hpp>
#include <llava_grounding/msg/grounding_answer.hpp>
#include <llava_grounding/srv/ground_image.hpp>

int main() {
  llava_grounding::srv::GroundImage::Response response;
  llava_grounding::action::Ground::Result result;
  llava_grounding::msg::GroundedObject mug;
  mug.phrase = "the red mug";
  result.answer.status = llava_grounding::msg::GroundingAnswer::STATUS_FINAL;
  result.answer.objects.push_back(mug);
  response.answer = result.answer;
  std::cout << llava_grounding::msg::to_yaml(response.answer) << "\n";
}
